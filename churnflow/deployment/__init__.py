"""What a release needs to be served elsewhere: an image to build, and manifests to apply; pure but for its sources."""
