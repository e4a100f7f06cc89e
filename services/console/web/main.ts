import { connect, openCamera, openMicrophone } from '@flotilla/client';
Object.assign(globalThis, { flotilla: { connect, openCamera, openMicrophone } });
