# Where the control plane of dc1-prod stores its back-ups. The key does not stand here in clear: have it decrypted
# by the gpg renderer (first line '#!yaml|gpg') or fetched from Vault or another sdb.
site:
  backup:
    url: https://backup.example/dc1-prod
    key: sdb://vault/dc1-prod/backup?key
