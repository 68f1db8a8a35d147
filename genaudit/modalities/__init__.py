"""What a record is: files, codec, networks, distance space and quality metrics by modality."""
