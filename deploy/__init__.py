"""How Ossature is deployed and watched: images, the Helm chart, dashboards, rules."""
