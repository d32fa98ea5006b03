"""Pod Security "restricted", secrets, images, exposure, rights, and resources."""
