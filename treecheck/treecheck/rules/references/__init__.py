"""References between the resources of one cluster: everything that is named has to be there."""
