SET ROLE app;

INSERT INTO articles (slug, title, category, author_email, body) VALUES
('returns', 'Returns', 'orders', 'ines@shop.example', $md$
# Returns

Customers may send unused goods back within **30 days** of delivery. We refund the price within five working days after the parcel has arrived.

## What cannot be returned

Opened hygiene articles, gift cards and goods that were made to measure.

## How it works

Print the label from *My orders*, tape it on the parcel and hand it in at any parcel shop. The label is free within the country.
$md$),
('shipping', 'Shipping times and costs', 'orders', 'tom@shop.example', $md$
# Shipping times and costs

Orders placed before 14:00 leave the same day and take one to three working days. Delivery is free from 49 euros; below that it costs 4.90 euros.

## Abroad

Parcels to neighbouring countries take three to six working days and cost 12 euros.
$md$),
('warranty', 'Warranty and repairs', 'service', 'ines@shop.example', $md$
# Warranty and repairs

Electrical appliances carry a warranty of two years. Describe the fault, attach a photo of the type plate, and we send a box for the repair.

## Out of warranty

We make an offer first. If you decline it, we send the appliance back at no charge, or recycle it.
$md$),
('passwords', 'Forgotten password', 'account', 'tom@shop.example', $md$
# Forgotten password

Ask for a link on the sign-in page. It works once and for 20 minutes. After five wrong attempts an account is locked for a quarter of an hour.
$md$),
('loyalty', 'Loyalty points', 'account', 'ines@shop.example', $md$
# Loyalty points

Each euro earns a point; 100 points are worth a voucher of 2 euros. Points expire after 24 months without an order.
$md$),
('draft-prices', 'New price list (draft)', 'internal', 'tom@shop.example', $md$
# New price list

Not decided yet: express delivery for 9.90 euros.
$md$);

UPDATE articles SET published = false WHERE slug = 'draft-prices';
