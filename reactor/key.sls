# A key was deleted: its server is gone. The engine k8s_consul looks whether that is so before it forgets it.
{%- if data.get('act') == 'delete' %}
k8s-consul-gone:
  runner.k8s.ask_consul:
    - args:
      - server: {{ data['id'] | json }}
{%- endif %}
