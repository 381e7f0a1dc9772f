# The clock: chrony, with the spec's time servers if it names some. A container's clock is its host's.
{%- set clock = salt['k8s_server.desired'](pillar['k8s'])['clock'] %}
{%- if clock %}
{%- if clock['time_servers'] %}

k8s-clock-config:
  file.managed:
    - name: /etc/chrony/chrony.conf
    - source: salt://k8s/files/chrony.conf.jinja
    - template: jinja
    - context: {{ clock | json }}
    - require_in:
      - k8s_server: k8s-clock
{%- endif %}

k8s-clock:
  k8s_server.service:
    - name: chrony
    - files: [/usr/sbin/chronyd, /etc/chrony/chrony.conf]
{%- endif %}
