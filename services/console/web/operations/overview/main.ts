import { OperationsPage } from './operations-page.ts';

document.body.append(new OperationsPage());
