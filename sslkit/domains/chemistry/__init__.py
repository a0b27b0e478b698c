"""What domains of molecules share: SMILES, graphs, RDKit's descriptors."""
