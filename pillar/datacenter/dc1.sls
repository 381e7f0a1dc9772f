# What every server in dc1 shares. The names below `site` are the site's own: its SLS read them.
site:
  resolvers: [10.11.0.2, 10.11.0.3]
  consul_datacenter: dc1
