"""The prediction API: it runs alone from a release bundle, without git, the training code or a data library."""
