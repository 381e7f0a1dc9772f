# Where the control plane of dc1-prod stores its back-ups. The key does not stand here in clear: have it decrypted
# by the gpg renderer (first line '#!yaml|gpg') or fetched from an sdb. Here `vault` is a profile of one in the
# master's configuration; its driver is the extension saltext-vault. Salt itself resolves no `sdb://` in a pillar.
site:
  backup:
    url: https://backup.example/dc1-prod
    key: {{ salt['sdb.get']('sdb://vault/dc1-prod/backup?key') | json }}
