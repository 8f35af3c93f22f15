"""Contracts that are part of the protocol version."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.api import Contract
from contracts.system import (
    access,
    alerts,
    anchors,
    budgets,
    cases,
    catalogue,
    contracts,
    custody,
    deliveries,
    dispatch,
    emergency,
    envelopes,
    evidence,
    feedback,
    governance,
    intersections,
    members,
    operators,
    permits,
    sanctions,
    schedule,
    standards,
    subjects,
    sums,
)

_VERSION_1: Mapping[str, Contract] = {
    contract.name: contract
    for contract in (
        access.CONTRACT,
        alerts.CONTRACT,
        anchors.CONTRACT,
        budgets.CONTRACT,
        cases.CONTRACT,
        catalogue.CONTRACT,
        contracts.CONTRACT,
        custody.CONTRACT,
        deliveries.CONTRACT,
        dispatch.CONTRACT,
        emergency.CONTRACT,
        envelopes.CONTRACT,
        evidence.CONTRACT,
        feedback.CONTRACT,
        governance.CONTRACT,
        intersections.CONTRACT,
        members.CONTRACT,
        operators.CONTRACT,
        permits.CONTRACT,
        sanctions.CONTRACT,
        schedule.CONTRACT,
        standards.CONTRACT,
        subjects.CONTRACT,
        sums.CONTRACT,
    )
}
Versions = Mapping[int, Mapping[str, Contract]]
VERSIONS: Versions = {1: _VERSION_1}
"""Every protocol version that this release executes, with its contracts by name."""
