# Secrets go by minion id. Those of the lab are made at build time, in build/secrets.
base:
  'dc1-cp-1': [secrets.dc1-cp-1]
  'dc1-mon-1': [secrets.dc1-mon-1]
  'dc1-x-1': [secrets.dc1-x-1]
  'dc2-cp-1': [secrets.dc2-cp-1]
  'dc2-mon-1': [secrets.dc2-mon-1]
  'dc2-w-1': [secrets.dc2-w-1]
