"""Forgetting a customer. What was sold, returned and paid stays; who it was does not."""

from __future__ import annotations

from django.db.models import CharField

from fulfilment.models import Address, Customer, Order


def customer_erase(*, connection_id: int, external_id: str) -> list[Order]:
    """Blank a customer's row and the addresses of their orders; the country of each stays, because
    tax is owed to it. Returns the orders, erased or not. Repeating is fine.
    """
    customers = Customer.objects.filter(connection_id=connection_id, external_id=external_id)
    orders = list(Order.objects.filter(customer__in=customers).order_by("id"))
    customers.update(reference="", email="", first_name="", last_name="")
    Address.objects.filter(order__in=orders).update(**_WHO_AND_WHERE)
    return orders


_WHO_AND_WHERE = {
    field.name: ""
    for field in Address._meta.concrete_fields
    if isinstance(field, CharField) and field.name != "country"
}
