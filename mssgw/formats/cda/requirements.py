"""What the rules about CDA documents enforce: ids of docs/requirements.toml by rule id, or by how one begins."""

from collections.abc import Mapping
from types import MappingProxyType

REQUIREMENTS: Mapping[str, str] = MappingProxyType(
    {
        "CDA-": "CDA-1",
        "CDA-BOD": "CDA-2",
        "CDA-BOD-017": "CDA-2 SD-7",
        "CDA-HDR-004": "CDA-1 CDA-2",
        "CDA-HDR-008": "CDA-1 CDA-3",
        "CDA-HDR-009": "CDA-1 CDA-3",
        "CDA-HDR-010": "CDA-3",
        "CDA-HDR-024": "GW-4",
        "CDA-HDR-03": "CDA-1 FMT-13",
        "CDA-HDR-035": "CDA-1",
        "CDA-PAT-002": "CDA-1 SD-7",
        "CDA-INS-001": "INS-8",
        "CDA-INS-002": "INS-2",
        "CDA-INS-003": "INS-3 SD-11",
        "CDA-INS-004": "INS-5",
        "CDA-INS-005": "INS-2",
        "CDA-INS-006": "INS-7",
        "CDA-INS-007": "INS-7",
        "CDA-INS-008": "INS-7",
        "CDA-INS-01": "INS-7",
        "CDA-INS-02": "INS-6",
        "CDA-COH-001": "INS-1 SD-7",
        "CDA-COH-002": "SD-11",
        "CDA-COH-003": "INS-8",
        "CDA-COH-004": "SD-7",
        "CDA-COH-005": "SD-7",
        "CDA-COH-01": "CDA-5",
        "CDA-COH-02": "FMT-6",
        "CDA-COH-022": "FMT-13",
        "CDA-COH-03": "FMT-5",
        "CDA-HID": "SD-15 PFI-8",
    }
)
