"""Rules on Config/cluster, ImagePruner and the storage that they name."""
