//! Which addresses are on the public internet. Pure.
//!
//! An allow-list in spirit: what the IANA special-purpose registries do not call globally
//! reachable is refused, and so is every form that carries an IPv4 address inside an IPv6 one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Whether `address` may be connected to: public, or in one of the networks the operator lists.
pub(crate) fn is_allowed(address: IpAddr, private: &[IpNet]) -> bool {
    is_public(address) || private.iter().any(|net| net.contains(&address))
}

/// Whether `address` is globally reachable unicast.
///
/// ```
/// use levqor_connectors::egress::is_public;
/// assert!(is_public("1.1.1.1".parse()?));
/// assert!(!is_public("169.254.169.254".parse()?));
/// assert!(!is_public("::ffff:1.1.1.1".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let special = match a {
        0 | 10 | 127 => true,              // this network, private, loopback
        100 => b & 0xc0 == 64,             // carrier-grade NAT
        168 => (b, c, d) == (63, 129, 16), // Azure's host, in public space
        169 => b == 254,                   // link-local, metadata services
        172 => b & 0xf0 == 16,             // private
        192 => {
            (b == 0 && matches!(c, 0 | 2))           // protocol assignments, documentation
                || (b == 88 && c == 99)              // 6to4 relays
                || b == 168 // private
        }
        198 => b & 0xfe == 18 || (b, c) == (51, 100), // benchmarks, documentation
        203 => (b, c) == (0, 113),                    // documentation
        224.. => true,                                // multicast, reserved, broadcast
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    // Global unicast is 2000::/3; this leaves out loopback, mapped, NAT64, ULA, link-local,
    // site-local and multicast at once.
    if s[0] & 0xe000 != 0x2000 {
        return false;
    }
    let special = match s[0] {
        // Protocol assignments with Teredo and ORCHID (2001::/23), documentation (2001:db8::/32).
        0x2001 => s[1] < 0x200 || s[1] == 0x0db8,
        0x2002 => true,               // 6to4 carries an IPv4 address
        0x3fff => s[1] & 0xf000 == 0, // documentation (3fff::/20)
        _ => false,
    };
    !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_the_special_ranges() {
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "168.63.129.17",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2001:db9::",
            "3fff:1000::",
            "3ffe::1",
        ];
        let special = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:1.1.1.1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::101:101",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff:ffff::",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in public {
            assert!(is_public(text.parse().unwrap()), "{text} is public");
        }
        for text in special {
            assert!(!is_public(text.parse().unwrap()), "{text} is special");
        }
    }

    #[test]
    fn the_operator_may_list_networks() {
        let nets = ["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        assert!(is_allowed("127.0.0.1".parse().unwrap(), &nets));
        assert!(is_allowed("fd00::5".parse().unwrap(), &nets));
        assert!(!is_allowed("10.0.0.1".parse().unwrap(), &nets));
        // A listed IPv4 network does not open its mapped form.
        assert!(!is_allowed("::ffff:127.0.0.1".parse().unwrap(), &nets));
    }
}
