"""What the proxies do with calls: the roles' own templates, HAProxy itself, front-ends that are made up."""
