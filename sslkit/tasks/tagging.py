"""A label for each unit of a record: residues, bases or words, any number of classes.

Labels stand in a table with columns sequence and label, and perhaps id and split. A label has one
letter for each unit of its sequence (``MKVL`` and ``HHHC``), or one name, with ``--set
separator=,`` or, for names with white space between, ``separator=blank``. ``?`` says that nothing
is known of a unit: it is neither trained on nor judged. A sequence and its label have the same
length, counted without blanks; gaps of an alignment and a stop at the end are no residues, so that
labels have none there.

Labels can be FASTA as well, with their sequences, and a mask of 0 and 1, in files of their own:

    sslkit probe --task tagging --labels labels.fasta --set sequences=sequences.fasta \\
        --set mask=mask.fasta

Records belong together by their ids; ``SET=train``, ``SET=test`` and ``VALIDATION=True`` in the
titles of the labels settle the split. The accuracy is that of all known units of all test records.
"""

from sslkit.tasks import _per_token

VERSION = 1
DOMAIN = ""
SUPERVISION = _per_token.SUPERVISION
KIND = _per_token.KIND
METRICS = _per_token.METRICS
Settings = _per_token.Settings
Task = _per_token.PerToken
