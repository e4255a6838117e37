import { Link } from '@tanstack/react-router';
import { api } from '../api.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { Status, Time } from '../parts/shown.js';

/** Who may create things, and how many each has let in. */
export function EnrollmentsPage() {
  const may = useMay();
  const list = usePages(['enrollments'], (cursor, signal) =>
    api.get('/v1/enrollments', { query: { limit: 50, ...cursor }, signal }),
  );
  const enroll = may('enrollments:write') ? (
    <Link to="/enroll/new" className="button primary">
      Enroll devices
    </Link>
  ) : null;
  const authority = may('enrollments:write') ? (
    <Link to="/enroll/authority" className="button">
      By their manufacturer
    </Link>
  ) : null;
  return (
    <>
      <PageHead
        title="Enrollments"
        about="Each lets devices with names of one pattern in, with the policies that they get. Its token goes onto the devices."
      >
        {enroll}
        {authority}
      </PageHead>
      <Listed
        label="Enrollments"
        head={['Names', 'Status', 'Things', 'Policies', 'Approval', 'Ends', 'Created']}
        list={list}
        empty={
          <Empty title="No device can come in yet">
            <p>
              An enrollment lets devices in. Its last step shows a command to paste, and the devices as they arrive.
            </p>
            {enroll}
          </Empty>
        }
        row={({ id, thingNamePattern, status, uses, maxUses, policies, approval, expiresAt, createdAt }) => (
          <tr key={id}>
            <td>
              <Link to="/enroll/$id" params={{ id }}>
                {thingNamePattern}
              </Link>
            </td>
            <td>
              <Status of={status} />
            </td>
            <td>
              {uses.toLocaleString()} of {maxUses.toLocaleString()}
            </td>
            <td>{policies.join(', ')}</td>
            <td>{approval ?? '–'}</td>
            <td>{expiresAt === undefined ? 'never' : <Time at={expiresAt} />}</td>
            <td>
              <Time at={createdAt} />
            </td>
          </tr>
        )}
      />
    </>
  );
}
