"""Records as people look at them: charts and the site. Knows records, never engines or packages."""
