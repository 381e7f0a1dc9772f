# Who may reach what monitoring has on a server. It needs no secret, so that what is wrong with one opens nothing.
{%- set datacenter = pillar['k8s_datacenter'] %}
{%- if 'problems' not in datacenter %}
{%- set rules = salt['k8s_monitoring.desired'](datacenter, pillar.get('k8s'))['firewall'] %}
{%- if rules %}

include:
  - k8s.site_repository

k8s-monitoring-firewall-package:
  pkg.installed:
    - name: nftables
    - install_recommends: False
    - require:
      - sls: k8s.site_repository

k8s-monitoring-firewall-rules:
  file.managed:
    - name: /etc/k8s-monitoring.nft
    - contents: {{ rules | json }}
    - check_cmd: /usr/sbin/nft --check --file
    - require:
      - pkg: k8s-monitoring-firewall-package

k8s-monitoring-firewall-unit:
  file.managed:
    - name: /etc/systemd/system/k8s-monitoring-firewall.service
    - source: salt://k8s/files/k8s-monitoring-firewall.service

k8s-monitoring-firewall:
  k8s_server.service:
    - name: k8s-monitoring-firewall
    - files:
      - /etc/k8s-monitoring.nft
      - /etc/systemd/system/k8s-monitoring-firewall.service
    - reload: True
    - require:
      - file: k8s-monitoring-firewall-rules
      - file: k8s-monitoring-firewall-unit

# Who flushes the ruleset leaves the unit active.
k8s-monitoring-firewall-in-force:
  k8s_server.nft_table:
    - name: inet k8s_monitoring
    - file: /etc/k8s-monitoring.nft
    - require:
      - k8s_server: k8s-monitoring-firewall
{%- else %}

k8s-monitoring-no-firewall:
  service.dead:
    - name: k8s-monitoring-firewall
    - enable: False

k8s-monitoring-no-firewall-unit:
  file.absent:
    - name: /etc/systemd/system/k8s-monitoring-firewall.service
    - require:
      - service: k8s-monitoring-no-firewall
{%- endif %}
{%- endif %}
