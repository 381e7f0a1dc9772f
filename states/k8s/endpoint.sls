# The endpoint of the API on a control plane server. The runner applies it: it alone knows the addresses of all
# of them (`addresses`, by minion id), and when a running node's endpoint may change. Both services are reloaded,
# so that connections live on.
{%- set k8s = pillar['k8s'] %}
{%- if 'fence' in k8s %}
{%- do salt['k8s_lock.admit'](k8s['fence']) %}
{%- endif %}
{%- set endpoint = salt['k8s_server.desired'](k8s)['endpoint'] %}
{%- if endpoint %}
{%- set bare = k8s.get('anew') or salt['k8s_server.bare']() %}
{%- if bare %}

include:
  - k8s.packages
{%- endif %}
{%- set own = k8s['addresses'][grains['id']] %}

k8s-haproxy-config:
  file.managed:
    - name: /etc/haproxy/haproxy.cfg
    - source: salt://k8s/files/haproxy.cfg.jinja
    - template: jinja
    - context:
        endpoint: {{ endpoint | json }}
        addresses: {{ k8s['addresses'] | json }}
    - check_cmd: /usr/sbin/haproxy -c -q -f
{%- if bare %}
    - require:
      - pkg: k8s-packages
{%- endif %}

k8s-haproxy:
  k8s_server.service:
    - name: haproxy
    - files: [/usr/sbin/haproxy, /etc/haproxy/haproxy.cfg]
    - reload: True
    - require:
      - file: k8s-haproxy-config

k8s-endpoint-listens:
  k8s_server.listening:
    - name: haproxy
    - port: {{ endpoint['port'] }}
    - require:
      - k8s_server: k8s-haproxy

k8s-keepalived-config:
  file.managed:
    - name: /etc/keepalived/keepalived.conf
    - source: salt://k8s/files/keepalived.conf.jinja
    - template: jinja
    - context:
        endpoint: {{ endpoint | json }}
        interface: {{ endpoint['interface'] or salt['k8s_server.default_interface']() }}
        own: {{ own | json }}
        others: {{ k8s['addresses'].values() | reject('equalto', own) | list | json }}
    - check_cmd: /usr/sbin/keepalived --config-test --use-file
    - require:
      - k8s_server: k8s-endpoint-listens

k8s-keepalived:
  k8s_server.service:
    - name: keepalived
    - files: [/usr/sbin/keepalived, /etc/keepalived/keepalived.conf]
    - reload: True
    - require:
      - file: k8s-keepalived-config
{%- endif %}
