/** `postern demo`: the whole thing on this machine, with nothing to configure; see `src/demo/`. */
import { Command } from 'commander'
import { exit } from './exit.ts'

export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'a real PostgreSQL, a real SSH host, an Okta stand-in and the gateway; walks a story, then stays up',
    )
    .option('--once', 'walk the story and exit: non-zero if anything was not as promised')
    .action(async ({ once = false }: { once?: boolean }) => {
      const { tellStory } = await import('../demo/story.ts')
      const kept = await tellStory({ once })
      // Handles of libraries must not keep a finished demo alive.
      process.exit(kept ? exit.ok : exit.no)
    })
}
