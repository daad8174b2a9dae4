// Where the page begins.

import { mount } from 'svelte';

import './styles/base.css';
import './styles/tokens.css';
import App from './App.svelte';
import { theme } from './lib/theme.svelte';

theme.apply();
mount(App, { target: document.getElementById('app')! });
