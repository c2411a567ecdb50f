"""ISO 4217: how many decimals each currency has, and an amount as text in cases and mails.

The desk writes amounts with Babel's separators, and with the same decimals.

Babel's own figure is not used: CLDR says how a currency is shown (ALL, LAK, RSD without decimals),
ISO says what its smallest unit is.
"""

from __future__ import annotations

from decimal import Decimal

_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN "
        "BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS "
        "GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR "
        "LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD "
        "PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN "
        "SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR "
        "ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS = {code: exponent for exponent, codes in _CODES.items() for code in codes.split()}


def money_text(minor: int, currency: str) -> str:
    """An amount for a sentence: 123450 EUR is "EUR 1,234.50", 1234 JPY is "JPY 1,234"."""
    digits = EXPONENTS[currency]
    return f"{currency} {Decimal(minor).scaleb(-digits):,.{digits}f}"
