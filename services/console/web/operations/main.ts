import { TopologyPage } from './topology-page.ts';

document.body.append(new TopologyPage());
