"""The page is let in under the names by which it is reached."""

from chart import Rendered, render


def origins(rendered: Rendered) -> set[str]:
    text = rendered.variables(rendered.chat_container).get("MADANG_SERVER__ALLOWED_ORIGINS", "")
    return {it.strip() for it in text.split(",")} - {""}


def test_the_hosts_of_an_ingress_are_origins() -> None:
    extra = """
ingress:
  enabled: true
  hosts: [chat.example.com]
  tls: [{hosts: [chat.example.com], secretName: chat-tls}]
"""
    rendered = render("default", extra=extra)
    assert [it["host"] for it in rendered.of_kind("Ingress")[0]["spec"]["rules"]] == ["chat.example.com"]
    assert "https://chat.example.com" in origins(rendered)


def test_the_hosts_of_a_route_are_origins() -> None:
    extra = """
httpRoute:
  enabled: true
  parentRefs: [{name: gateway}]
  hostnames: [chat.example.com, yard.example.com]
"""
    rendered = render("default", extra=extra)
    assert rendered.of_kind("HTTPRoute")[0]["spec"]["hostnames"] == ["chat.example.com", "yard.example.com"]
    assert {"https://chat.example.com", "https://yard.example.com"} <= origins(rendered)


def test_every_host_that_leads_to_it_is_an_origin(rendered: Rendered) -> None:
    hosts = {rule["host"] for it in rendered.of_kind("Ingress") for rule in it["spec"]["rules"] if "host" in rule}
    hosts |= {host for it in rendered.of_kind("HTTPRoute") for host in it["spec"].get("hostnames", [])}
    let_in = origins(rendered)
    for host in hosts:
        assert "*" in let_in or {f"https://{host}", f"http://{host}"} & let_in, host


def test_without_hosts_the_page_of_the_asked_host_is_let_in() -> None:
    assert not origins(render())
