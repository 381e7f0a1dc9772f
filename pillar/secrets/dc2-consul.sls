# As dc1-consul.sls, for dc2: the gossip key and the authority are those of all datacenters.
{%- set own = 'sdb://vault/consul/' ~ grains['id'] %}
k8s_secrets:
  consul:
    gossip_key: {{ salt['sdb.get']('sdb://vault/consul?gossip_key') | json }}
    management_token: {{ salt['sdb.get']('sdb://vault/consul/dc2?management_token') | json }}
    authority: {{ salt['sdb.get']('sdb://vault/consul?authority') | json }}
    certificate: {{ salt['sdb.get'](own ~ '?certificate') | json }}
    key: {{ salt['sdb.get'](own ~ '?key') | json }}
