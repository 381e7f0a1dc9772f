# A server asks for the credentials of Consul's agent, or for certificates of clusters: note it. The engine k8s_consul
# asks the server itself.
{#- The event's id can be forged, so it is data and nothing else. #}
k8s-consul-asked:
  runner.k8s.ask_consul:
    - args:
      - server: {{ data['id'] | json }}
