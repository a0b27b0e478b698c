"""What domains of sequences share: letters, k-mers, FASTA records, alignments."""
