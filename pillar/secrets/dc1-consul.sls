# What the Consul servers of dc1 must know; agents on other servers get theirs sealed. The gossip key is that of all
# datacenters. No value stands here in clear: see dc1-prod-backup.sls.
{%- set own = 'sdb://vault/consul/' ~ grains['id'] %}
k8s_secrets:
  consul:
    gossip_key: {{ salt['sdb.get']('sdb://vault/consul?gossip_key') | json }}
    management_token: {{ salt['sdb.get']('sdb://vault/consul/dc1?management_token') | json }}
    authority: {{ salt['sdb.get']('sdb://vault/consul?authority') | json }}
    certificate: {{ salt['sdb.get'](own ~ '?certificate') | json }}
    key: {{ salt['sdb.get'](own ~ '?key') | json }}
