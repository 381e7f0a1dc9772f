# What every staging server shares.
site:
  alerts: mail
