"""Contracts that are part of the protocol version."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.api import Contract
from contracts.system import (
    anchors,
    catalogue,
    contracts,
    dispatch,
    emergency,
    envelopes,
    evidence,
    governance,
    members,
    operators,
    schedule,
    standards,
)

_VERSION_1: Mapping[str, Contract] = {
    contract.name: contract
    for contract in (
        anchors.CONTRACT,
        catalogue.CONTRACT,
        contracts.CONTRACT,
        dispatch.CONTRACT,
        emergency.CONTRACT,
        envelopes.CONTRACT,
        evidence.CONTRACT,
        governance.CONTRACT,
        members.CONTRACT,
        operators.CONTRACT,
        schedule.CONTRACT,
        standards.CONTRACT,
    )
}
Versions = Mapping[int, Mapping[str, Contract]]
VERSIONS: Versions = {1: _VERSION_1}
"""Every protocol version that this release executes, with its contracts by name."""
