# What every server in dc2 shares.
site:
  resolvers: [10.12.0.2, 10.12.0.3]
  consul_datacenter: dc2
