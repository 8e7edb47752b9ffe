import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formsOf } from './forms.ts'

const secret = `ab/cd&ef<gh>+s "q" 'p' é==`

test('what languages and templates make of a secret is among its forms', () => {
  const forms = formsOf(secret)
  const written = {
    plain: secret,
    JavaScript: String.raw`ab/cd&ef<gh>+s \"q\" 'p' é==`,
    PHP: String.raw`ab\/cd&ef<gh>+s \"q\" 'p' \u00e9==`,
    'PHP, slashes alone': String.raw`ab\/cd&ef<gh>+s \"q\" 'p' é==`,
    Go: String.raw`ab/cd\u0026ef\u003cgh\u003e+s \"q\" 'p' é==`,
    Python: String.raw`ab/cd&ef<gh>+s \"q\" 'p' \u00e9==`,
    'HTML, text': `ab/cd&amp;ef&lt;gh&gt;+s "q" 'p' é==`,
    'html/template of Go': 'ab/cd&amp;ef&lt;gh&gt;&#43;s &#34;q&#34; &#39;p&#39; é==',
    'html of Python': 'ab/cd&amp;ef&lt;gh&gt;+s &quot;q&quot; &#x27;p&#x27; é==',
    encodeURIComponent: `ab%2Fcd%26ef%3Cgh%3E%2Bs%20%22q%22%20'p'%20%C3%A9%3D%3D`,
    'quote of Python': 'ab/cd%26ef%3Cgh%3E%2Bs%20%22q%22%20%27p%27%20%C3%A9%3D%3D',
    'a form': 'ab%2Fcd%26ef%3Cgh%3E%2Bs+%22q%22+%27p%27+%C3%A9%3D%3D',
    'lower case': 'ab%2fcd%26ef%3cgh%3e%2bs%20%22q%22%20%27p%27%20%c3%a9%3d%3d',
  }
  for (const [how, form] of Object.entries(written)) assert.ok(forms.has(form), how)
})

test('a secret of plain characters has no more forms than it had: each is looked for in all that is answered', () => {
  assert.equal(formsOf('sk-live-4f9a8b7c6d5e4f3a2b1c').size, 2)
  assert.equal(formsOf('abc').size, 0)
})
