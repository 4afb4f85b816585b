# Exchange Server (2016, 2019, SE) sending MSSanté mail through mssgw. Exchange Management Shell.
#
# NOT TESTED by the project: we have no Exchange. The cmdlets and parameters are those of Microsoft's documentation;
# try them on a test server first, and tell us what was different.
#
# In mssgw.toml the Exchange servers stand under [[establishment]]: networks = their addresses, next_hop = their
# receive connector for mail from outside, notice_domains = the domain that non-delivery reports come from. Exchange signs
# those to people outside as postmaster@ its default accepted domain, mostly the hospital's ordinary one: unless it is
# named there, the gateway refuses them, and nobody hears that his letter did not arrive. These two say which it is:
#   (Get-TransportConfig).ExternalPostmasterAddress    # when it is not empty
#   Get-AcceptedDomain | Where-Object Default

$gateway = "mssgw.chu-exemple.fr"

# Outward. Only MSSanté domains; add those of your correspondents that do not end in mssante.fr.
New-SendConnector -Name "MSSante" -Usage Custom `
    -AddressSpaces "SMTP:mssante.fr;1", "SMTP:*.mssante.fr;1", "SMTP:mssante.apicrypt.org;1" `
    -DNSRoutingEnabled $false -SmartHosts $gateway -Port 2525 -SmartHostAuthMechanism None `
    -RequireTLS $true -TlsAuthLevel DomainValidation -TlsDomain $gateway `
    -MaxMessageSize 15MB

# Size (SD-1): the gateway takes 10485760 octets, attachments encoded, and refuses one more with 552 5.3.4.
# Exchange's organisation limits are 10 MB by default, and it counts in its own way: stay above, and let the gateway
# decide. Raise them together with [limits] message_size; see also Get-MessageTrackingLog for what users are told.
Set-TransportConfig -MaxSendSize 15MB -MaxReceiveSize 15MB

# winmail.dat is of no use to a patient, nor to most professionals: MIME always.
New-RemoteDomain -Name "MSSante" -DomainName "*.mssante.fr"
Set-RemoteDomain -Identity "MSSante" -TNEFEnabled $false -CharacterSet "utf-8" -NonMimeCharacterSet "utf-8"

# Inward: a connector that only the gateway may use.
New-ReceiveConnector -Name "From mssgw" -TransportRole FrontendTransport -Usage Custom `
    -Bindings "0.0.0.0:25" -RemoteIPRanges "192.0.2.10" `
    -AuthMechanism Tls -PermissionGroups AnonymousUsers -MaxMessageSize 15MB

# The person behind a shared mailbox (SD-6): Exchange names the mailbox, not who used it. Unless another server between
# Exchange and the gateway adds a header field (person_header), the journal says "person unknown", and `mssgw check`
# warns: keep Exchange's own mailbox audit log as long as the gateway's trace.
Set-OrganizationConfig -AuditDisabled $false
