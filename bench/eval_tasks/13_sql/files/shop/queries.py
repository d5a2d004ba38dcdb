"""Questions to the shop's database."""

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers, cents INTEGER NOT NULL);
CREATE TABLE complaints (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers, text TEXT NOT NULL);
"""

OVERVIEW = """
SELECT customers.name, COUNT(orders.id), SUM(orders.cents), COUNT(complaints.id)
FROM customers
JOIN orders ON orders.customer = customers.id
JOIN complaints ON complaints.customer = customers.id
GROUP BY customers.name
ORDER BY customers.name
"""


def overview(connection):
    """Of every customer: name, number of orders, cents ordered, number of complaints; by name, then by id."""
    return connection.execute(OVERVIEW).fetchall()
