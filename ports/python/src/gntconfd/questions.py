"""The questions, each with the type of its answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Generic, TypeVar

from .errors import AnswerError
from .protocol import answers, check, config, wire
from .protocol.constants import MasterFieldCode, NodeRole, Parameter, RequestType

A = TypeVar("A")
T = TypeVar("T")

Address = str | IPv4Address | IPv6Address


@dataclass(frozen=True)
class Question(Generic[A]):
    """A question whose answer is an A."""

    type: RequestType
    query: wire.Query
    read: Callable[[object], A]
    """Makes an A of the answer, or raises check.InvalidError."""

    def decode(self, answer: object) -> A:
        """Return what an answer to this question says, or raise AnswerError."""
        try:
            return self.read(answer)
        except check.InvalidError as err:
            raise AnswerError(f"answer to {self.type.name}: {err}") from err


def raw(type: RequestType, query: Any = None) -> Question[Any]:
    """Ask anything. The answer stays as it is."""
    return Question(type, query, lambda answer: answer)


def ping() -> Question[int]:
    """Ask whether the daemon is alive. The answer is the version of the configuration."""
    return Question(RequestType.PING, None, answers.read_ping)


def node_role(node: str) -> Question[NodeRole]:
    """Ask for the role of a node, by its name, the beginning of that up to a dot, or UUID."""
    return Question(RequestType.NODE_ROLE_BY_NAME, node, answers.read_node_role_by_name)


def node_ip(ip: Address, link: str | None = None) -> Question[str]:
    """Ask for the primary IP of the node that runs the instance with an address on a link."""
    query = _parameters({Parameter.LINK: link, Parameter.IP: str(ip)})
    return Question(RequestType.NODE_PIP_BY_INSTANCE_IP, query, _of(str, answers.read_node_pip_by_instance_ip))


def locate(ips: Iterable[Address], link: str | None = None) -> Question[list[wire.NodeIPAnswer]]:
    """Ask the same for several addresses. The answer has them in the order asked for."""
    query = _parameters({Parameter.LINK: link, Parameter.IP_LIST: [str(ip) for ip in ips]})
    return Question(RequestType.NODE_PIP_BY_INSTANCE_IP, query, _of(list, answers.read_node_pip_by_instance_ip))


def master() -> Question[str]:
    """Ask for the name of the master node."""
    return Question(RequestType.CLUSTER_MASTER, None, _of(str, answers.read_cluster_master))


def master_fields(*fields: MasterFieldCode) -> Question[list[str]]:
    """Ask for fields of the master. The answer has their values, in the order asked for."""
    query = _parameters({Parameter.FIELDS: list(fields)})
    return Question(RequestType.CLUSTER_MASTER, query, _of(list, answers.read_cluster_master))


def node_ips() -> Question[list[str]]:
    """Ask for the primary IPs of all nodes."""
    return Question(RequestType.NODE_PIP_LIST, None, answers.read_node_pip_list)


def candidate_ips() -> Question[list[str]]:
    """Ask for the primary IPs of the master candidates."""
    return Question(RequestType.MC_PIP_LIST, None, answers.read_mc_pip_list)


def instance_ips(link: str | None = None) -> Question[list[str]]:
    """Ask for the addresses of all instances on a link, by default the cluster's."""
    return Question(RequestType.INSTANCE_IPS_LIST, link, answers.read_instance_ips_list)


def node_drbd(node: str) -> Question[list[wire.NodeMinor]]:
    """Ask for the DRBD minors of a node."""
    return Question(RequestType.NODE_DRBD, node, answers.read_node_drbd)


def node_instances(node: str) -> Question[answers.NodeInstances]:
    """Ask for the instances that a node is primary, and DRBD secondary, of."""
    return Question(RequestType.NODE_INSTANCES, node, answers.read_node_instances)


def instance_disks(instance: str) -> Question[list[config.Disk]]:
    """Ask for the disks of an instance, by its name, the beginning of that, or UUID."""
    return Question(RequestType.INSTANCE_DISKS, instance, answers.read_instance_disks)


def config_value(pointer: str) -> Question[Any]:
    """Ask for a part of the configuration, by its JSON pointer."""
    return Question(RequestType.CONFIG_QUERY, pointer, answers.read_config_query)


def collectors() -> Question[answers.DataCollectors]:
    """Ask for the state of the monitoring data collectors."""
    return Question(RequestType.DATA_COLLECTORS, None, answers.read_data_collectors)


def _parameters(query: dict[Parameter, Any]) -> wire.QueryParameters:
    """Return the parameters that are given."""
    return wire.read_query_parameters({str(name): value for name, value in query.items() if value is not None})


def _of(kind: type[T], read: Callable[[object], Any]) -> Callable[[object], Any]:
    """Make a reader take one of the two kinds of answers that a type of request has."""

    def narrowed(answer: object) -> Any:
        if not isinstance(answer, kind):
            raise check.InvalidError("", f"{answer!r:.60} is no {kind.__name__}")
        return read(answer)

    return narrowed
