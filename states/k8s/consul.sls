# Consul's agent on a server, and on some of them a Consul server: installed, admitted, registered.
#
# What holds a secret is laid out by states of our own: an SLS is text that Salt logs.
{%- set datacenter = pillar['k8s_datacenter'] %}
{%- if 'problems' not in datacenter and datacenter['spec']['consul'] %}
{%- set consul = datacenter['spec']['consul'] %}
{%- set is_server = grains['id'] in consul['servers'] %}
{%- set want = salt['k8s_consul.desired'](datacenter, pillar.get('k8s')) %}

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

# Pods ask the agent of their own server, at an address that is the same on each and leads nowhere else.
{%- if want['pods_dns'] %}

k8s-consul-dns-package:
  pkg.installed:
    - name: nftables
    - install_recommends: False
    - require:
      - sls: k8s.site_repository

k8s-consul-dns-rules:
  file.managed:
    - name: /etc/k8s-consul-dns.nft
    - contents: {{ want['pods_dns'] | json }}
    - check_cmd: /usr/sbin/nft --check --file
    - require:
      - pkg: k8s-consul-dns-package

k8s-consul-dns-unit:
  file.managed:
    - name: /etc/systemd/system/k8s-consul-dns.service
    - source: salt://k8s/files/k8s-consul-dns.service

k8s-consul-dns:
  k8s_server.service:
    - name: k8s-consul-dns
    - files:
      - /etc/k8s-consul-dns.nft
      - /etc/systemd/system/k8s-consul-dns.service
    - reload: True
    - require:
      - file: k8s-consul-dns-rules
      - file: k8s-consul-dns-unit

# The unit stays active where somebody flushes the ruleset, or the addresses of the interface.
k8s-consul-dns-in-force:
  k8s_server.nft_table:
    - name: inet k8s_consul
    - file: /etc/k8s-consul-dns.nft
    - require:
      - k8s_server: k8s-consul-dns

k8s-consul-dns-address:
  k8s_server.address:
    - name: 169.254.20.53/32
    - interface: lo
    - require:
      - k8s_server: k8s-consul-dns-in-force
    - require_in:
      - k8s_server: k8s-consul
{%- endif %}

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
{%- if not is_server %}
      - /usr/bin/consul
      - /etc/systemd/system/consul.service.d/k8s.conf
{%- endif %}
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
{%- if not want['pods_dns'] %}

# The address goes when no agent listens there any more.
k8s-consul-no-dns:
  service.dead:
    - name: k8s-consul-dns
    - enable: False
    - require:
      - k8s_server: k8s-consul

k8s-consul-no-dns-unit:
  file.absent:
    - name: /etc/systemd/system/k8s-consul-dns.service
    - require:
      - service: k8s-consul-no-dns
{%- endif %}
{%- if want['elected'] %}

k8s-elected-configuration:
  file.managed:
    - name: /etc/k8s-elected.json
    - contents: {{ want['elected'] | json }}

k8s-elected-unit:
  file.managed:
    - name: /etc/systemd/system/k8s-elected.service
    - source: salt://k8s/files/k8s-elected.service.jinja
    - template: jinja
    - context:
        path: {{ want['path'] | json }}
        code: {{ want['code'] | json }}

k8s-elected:
  k8s_server.service:
    - name: k8s-elected
    - files:
      - /etc/k8s-elected.json
      - /etc/systemd/system/k8s-elected.service
    - require:
      - file: k8s-elected-configuration
      - file: k8s-elected-unit
      - k8s_consul: k8s-consul-registered

k8s-elected-has-done-it:
  k8s_consul.cluster_registered:
    - require:
      - k8s_server: k8s-elected
{%- else %}

k8s-elected-not:
  service.dead:
    - name: k8s-elected
    - enable: False

k8s-elected-no-files:
  file.absent:
    - names:
      - /etc/systemd/system/k8s-elected.service
      - /etc/k8s-elected.json
    - require:
      - service: k8s-elected-not
{%- endif %}
{%- for kind, unit, directory in (
    ('dnsmasq', 'dnsmasq', '/etc/dnsmasq.d'), ('resolved', 'systemd-resolved', '/etc/systemd/resolved.conf.d')) %}
{%- set file = directory ~ '/k8s-consul.conf' %}
{%- if want[kind] %}

k8s-consul-{{ kind }}-configuration:
  file.managed:
    - name: {{ file }}
    - source: salt://k8s/files/consul-{{ kind }}.conf
    - makedirs: True

k8s-consul-{{ kind }}:
  k8s_server.service:
    - name: {{ unit }}
    - files: [{{ file }}]
    - require:
      - file: k8s-consul-{{ kind }}-configuration
      - k8s_server: k8s-consul
{%- else %}

k8s-consul-no-{{ kind }}:
  file.absent:
    - name: {{ file }}

k8s-consul-no-{{ kind }}-restart:
  cmd.run:
    - name: systemctl try-restart {{ unit }}
    - onchanges:
      - file: k8s-consul-no-{{ kind }}
{%- endif %}
{%- endfor %}
{%- endif %}
