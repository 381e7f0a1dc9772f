# Consul's agent on a server, and on some of them a Consul server: installed, admitted, registered.
#
# What holds a secret is laid out by states of our own: an SLS is text that Salt logs.
{%- set datacenter = pillar['k8s_datacenter'] %}
{%- if 'problems' not in datacenter and datacenter['spec']['consul'] %}
{%- set consul = datacenter['spec']['consul'] %}
{%- set is_server = grains['id'] in consul['servers'] %}

include:
  - k8s.site_repository

k8s-consul-unit:
  file.managed:
    - name: /etc/systemd/system/consul.service.d/k8s.conf
    - source: salt://k8s/files/consul.conf
    - makedirs: True

k8s-consul-package:
  pkg.installed:
    - pkgs:
      - {{ consul['package']['name'] }}: {{ consul['package']['version'] | json }}
    - install_recommends: False
    - update_holds: True
    - require:
      - sls: k8s.site_repository

k8s-consul-admitted:
  k8s_consul.admitted:
    - assignment: {{ datacenter | json }}
    - require:
      - pkg: k8s-consul-package

k8s-consul-configured:
  k8s_consul.configured:
    - assignment: {{ datacenter | json }}
    - require:
      - k8s_consul: k8s-consul-admitted

# A Consul server is only reloaded: all of them restarted by their highstates would have no leader. What needs a
# restart takes effect with the next, one server after another, by an operator's hand.
k8s-consul:
  k8s_server.service:
    - name: consul
    - files:
      - /usr/bin/consul
      - /etc/systemd/system/consul.service.d/k8s.conf
      - /etc/consul.d/k8s-agent.json
      - /etc/consul.d/tls/authority.pem
    - reload: {{ is_server }}
    - require:
      - k8s_consul: k8s-consul-configured
      - file: k8s-consul-unit

k8s-consul-reloaded:
  k8s_server.service:
    - name: consul
    - files:
      - /etc/consul.d/k8s-secrets.json
      - /etc/consul.d/k8s-services.json
      - /etc/consul.d/tls/server.pem
    - reload: True
    - require:
      - k8s_server: k8s-consul
{%- if is_server %}

k8s-consul-acls:
  k8s_consul.acls:
    - assignment: {{ datacenter | json }}
    - require:
      - k8s_server: k8s-consul-reloaded
    - require_in:
      - k8s_consul: k8s-consul-registered
{%- endif %}

k8s-consul-registered:
  k8s_consul.registered:
    - assignment: {{ datacenter | json }}
    - require:
      - k8s_server: k8s-consul-reloaded
{%- endif %}
