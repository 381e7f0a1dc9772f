# What the Consul servers of dc1 must know; agents on other servers get theirs sealed. The gossip key is that of all
# datacenters. No value stands here in clear: see dc1-prod-backup.sls.
{%- set own = 'sdb://vault/consul/' ~ grains['id'] %}
k8s_secrets:
  consul:
    gossip_key: sdb://vault/consul?gossip_key
    management_token: sdb://vault/consul/dc1?management_token
    authority: sdb://vault/consul?authority
    certificate: {{ own }}?certificate
    key: {{ own }}?key
