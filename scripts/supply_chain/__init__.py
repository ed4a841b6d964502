"""What the cluster is made of: a bill of its packages, whether their licences fit, whether they are known to be vulnerable."""
