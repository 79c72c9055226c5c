/** A few articles of an invented company's handbook, enough for the page to have something to show. */
export const ARTICLES: readonly { readonly title: string; readonly body: string }[] = [
  {
    title: 'Returns and refunds',
    body: `## Window

Customers may return an order within 30 days of delivery. The item must be unused and in its original packaging.

## Refund

Refunds go back to the original means of payment. They take three to five working days once the parcel has reached the warehouse.

## Exceptions

Opened software, gift cards and made-to-measure furniture cannot be returned unless they arrived damaged.`,
  },
  {
    title: 'Parental leave',
    body: `## Who

Every employee may take parental leave, whatever their contract, from the first day at the company.

## How long

Twenty weeks are paid in full. Up to a year more can be taken unpaid, in at most three parts.`,
  },
  {
    title: 'Travel and expenses',
    body: `## Booking

Trains are preferred for journeys of less than five hours. Flights are booked in economy by the travel desk.

## Per diem

Meals are refunded at cost up to 48 euros a day. Keep every receipt; the expense tool reads photos.`,
  },
  {
    title: 'Remote work',
    body: `## Home office

Employees may work from home for up to three days a week. Teams agree on one day when everybody is in the office.

## Abroad

Working from another country is possible for 30 days a year. Ask before you book anything.`,
  },
  {
    title: 'Incident response',
    body: `## First minutes

Whoever notices an incident opens a channel, names a lead, and writes down the time. Customers are told within 30 minutes.

## After

A review without blame is held within five working days. Its actions have an owner and a date.`,
  },
  {
    title: 'Office opening hours',
    body: 'The office in Rotterdam is open from 7:00 to 21:00 on working days. Badges work at the north door only.',
  },
  {
    title: 'Password policy',
    body: 'Use the password manager. Passwords are at least 16 characters long, and a second factor is required everywhere.',
  },
  {
    title: 'Code review',
    body: 'Every change is read by one other person before it is merged. Small changes are reviewed within four working hours.',
  },
  {
    title: 'Onboarding checklist',
    body: 'Laptop, badge and accounts are ready on the first day. A buddy shows the new colleague around for two weeks.',
  },
  {
    title: 'Shipping times',
    body: 'Orders placed before 16:00 leave the warehouse on the same day. Delivery takes one to three working days in the country.',
  },
  {
    title: 'Sick leave',
    body: 'Call your lead before ten in the morning. From the fourth day on a note of a doctor is needed.',
  },
  {
    title: 'Warranty',
    body: 'Appliances have a warranty of two years. A repair takes at most 30 days; after that the customer gets a new one.',
  },
];
