// `npm run image`: the container image of every service.
import { parseArgs } from 'node:util';
import { buildImage, imageArchive, imageName } from './setup/image.mjs';
import { prepare } from './setup/prepare.mjs';
import { bold, runMain, SetupError, step } from './setup/steps.mjs';

const usage = `npm run image

Builds the container image of every service from deploy/image/Dockerfile, with buildah, on a base of Debian packages: no image
registry is needed. Prints its name and the archive it was written to.

  --help   this text
`;

await runMain(async () => {
  try {
    const { values } = parseArgs({ options: { help: { type: 'boolean' } } });
    if (values.help) {
      console.log(usage);
      return;
    }
  } catch (error) {
    throw new SetupError(`${/** @type {Error} */ (error).message}\n\n${usage}`);
  }
  console.log(bold('The image of Flotilla'));
  await prepare({ system: ['buildah', 'mmdebstrap'] });
  await step('Building the image', buildImage);
  console.log(`${imageName} is in ${imageArchive}`);
});
