# What every production server shares. Salt merges it with the datacenter's part.
site:
  alerts: page
