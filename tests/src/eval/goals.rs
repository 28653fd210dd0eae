//! The goals.

use super::Goal;

const fn goal(text: &'static str, uses: &'static [&'static str]) -> Goal {
    Goal { text, uses }
}

/// Every goal, the plain ones of a kind before the others.
pub const GOALS: &[Goal] = &[
    goal("Send \"Build is green\" to #builds on Slack", &["slack/post_message"]),
    goal("Tell #random in Slack that lunch is ready", &["slack/post_message"]),
    goal("Which channels do we have in Slack?", &["slack/list_channels"]),
    goal("Find out who ada@example.com is in Slack", &["slack/lookup_user"]),
    goal("Change the text of the Slack message", &["slack/update_message"]),
    goal(
        "Look up a Slack user by e-mail, then post a message to them",
        &["slack/lookup_user", "slack/post_message"],
    ),
    goal("Every weekday at 9 post \"Stand-up!\" to #team on Slack", &["slack/post_message"]),
    goal("Fetch https://api.shop.example/orders", &["http/get"]),
    goal(
        "Fetch https://api.shop.example/orders and post the result to #sales on Slack",
        &["http/get", "slack/post_message"],
    ),
    goal(
        "Every 10 minutes get https://api.shop.example/health and alert #ops in Slack",
        &["http/get", "slack/post_message"],
    ),
    goal("Send a request to https://api.shop.example/refresh", &["http/request"]),
    goal(
        "Read https://api.shop.example/report, summarize it with OpenAI and e-mail the summary",
        &["http/get", "openai/chat", "resend/send"],
    ),
    goal(
        "Ask OpenAI for a joke and post it to #fun on Slack",
        &["openai/chat", "slack/post_message"],
    ),
    goal("Translate the message to French with ChatGPT", &["openai/chat"]),
    goal(
        "Have GPT write a reply and send it by email to bob@example.com",
        &["openai/chat", "resend/send"],
    ),
    goal(
        "Summarise the text using OpenAI, then send it to me on Telegram",
        &["openai/chat", "telegram/send_message"],
    ),
    goal("Make embeddings of these texts with OpenAI", &["openai/embeddings"]),
    goal(
        "Classify the ticket with OpenAI and open a GitHub issue",
        &["openai/chat", "github/create_issue"],
    ),
    goal("Send an e-mail to ops@example.com with the subject \"Done\"", &["resend/send"]),
    goal("E-mail the team every Monday at 8", &["resend/send"]),
    goal("Send a Telegram message \"on my way\"", &["telegram/send_message"]),
    goal("Message me on Telegram every day at noon", &["telegram/send_message"]),
    goal("Append a row to the Google sheet", &["google-sheets/append_row"]),
    goal("Read the range A1:C10 of my Google sheet", &["google-sheets/read_range"]),
    goal("Update the cells of a range in Google Sheets", &["google-sheets/update_range"]),
    goal(
        "Read rows from Google Sheets and e-mail them to cfo@example.com",
        &["google-sheets/read_range", "resend/send"],
    ),
    goal(
        "Read the Google sheet, have OpenAI explain it, and post that to #finance on Slack",
        &["google-sheets/read_range", "openai/chat", "slack/post_message"],
    ),
    goal(
        "Every Friday at 17:00 read the Google sheet and send it by email",
        &["google-sheets/read_range", "resend/send"],
    ),
    goal("Create a Notion page called \"Minutes\"", &["notion/create_page"]),
    goal("Search Notion for \"pricing\"", &["notion/search"]),
    goal(
        "Search Notion for \"onboarding\" and post what you find to #people on Slack",
        &["notion/search", "slack/post_message"],
    ),
    goal(
        "Query the Notion data source and append a row to Google Sheets",
        &["notion/query_data_source", "google-sheets/append_row"],
    ),
    goal(
        "Summarize https://api.shop.example/news with OpenAI and save it as a Notion page",
        &["openai/chat", "notion/create_page"],
    ),
    goal("Open an issue on GitHub titled \"Crash\"", &["github/create_issue"]),
    goal("List the issues of our GitHub repository", &["github/list_issues"]),
    goal("Comment on a GitHub issue", &["github/comment"]),
    goal(
        "Create a GitHub issue and tell #dev on Slack",
        &["github/create_issue", "slack/post_message"],
    ),
    goal(
        "Every morning list GitHub issues, summarize them with OpenAI and e-mail them",
        &["github/list_issues", "openai/chat", "resend/send"],
    ),
    goal(
        "List GitHub issues and append a row to Google Sheets",
        &["github/list_issues", "google-sheets/append_row"],
    ),
    goal("Create a contact in HubSpot", &["hubspot/create_contact"]),
    goal("Search contacts in HubSpot", &["hubspot/search_contacts"]),
    goal(
        "Create a HubSpot deal and notify #sales on Slack",
        &["hubspot/create_deal", "slack/post_message"],
    ),
    goal(
        "Search HubSpot contacts and send them an e-mail",
        &["hubspot/search_contacts", "resend/send"],
    ),
    goal(
        "Add a lead to HubSpot, then wait 2 days, then send an email",
        &["hubspot/create_contact", "core/sleep", "resend/send"],
    ),
    goal("Create a customer in Stripe", &["stripe/create_customer"]),
    goal(
        "List the charges in Stripe and post them to #finance on Slack",
        &["stripe/list_charges", "slack/post_message"],
    ),
    goal("Refund a payment in Stripe", &["stripe/create_refund"]),
    goal(
        "Ask for approval and then refund the payment in Stripe",
        &["core/approval", "stripe/create_refund"],
    ),
    goal(
        "Create a Stripe customer, create a HubSpot contact and send a welcome e-mail",
        &["stripe/create_customer", "hubspot/create_contact", "resend/send"],
    ),
    goal(
        "On the 1st of every month at 6am list Stripe charges and append a row to Google Sheets",
        &["stripe/list_charges", "google-sheets/append_row"],
    ),
    goal(
        "Post to #ops on Slack, wait 5 minutes, then post to #ops on Slack again",
        &["slack/post_message", "core/sleep", "slack/post_message"],
    ),
    goal(
        "Get https://api.shop.example/stock, ask for approval, then send a request to https://api.shop.example/reorder",
        &["http/get", "core/approval", "http/request"],
    ),
    goal(
        "Please could you drop the numbers from our Google spreadsheet into Slack?",
        &["google-sheets/read_range", "slack/post_message"],
    ),
    goal(
        "When somebody asks, look into Notion for \"FAQ\" and answer with GPT",
        &["notion/search", "openai/chat"],
    ),
    goal(
        "Ping the team on Slack and on Telegram",
        &["slack/post_message", "telegram/send_message"],
    ),
    goal("Remind #team in Slack each weekday at 16:45 to log their hours", &["slack/post_message"]),
    goal(
        "Turn the customer's complaint into a GitHub issue with OpenAI",
        &["openai/chat", "github/create_issue"],
    ),
    goal(
        "Let the CFO know by mail what Stripe took in this week",
        &["stripe/list_charges", "resend/send"],
    ),
    goal(
        "Nightly, copy open GitHub issues into a Notion page",
        &["github/list_issues", "notion/create_page"],
    ),
    goal(
        "Grab the weather from https://api.shop.example/weather and text it to me via Telegram",
        &["http/get", "telegram/send_message"],
    ),
    goal(
        "Give the buyer their money back and say sorry by e-mail",
        &["stripe/create_refund", "resend/send"],
    ),
    goal(
        "Post a summary of our Notion roadmap to #general in Slack",
        &["notion/search", "openai/chat", "slack/post_message"],
    ),
    goal("Write a haiku about autumn with OpenAI and tweet it", &["openai/chat"]),
    goal("Deploy the site to production", &[]),
    goal("Order a pizza for the whole team", &[]),
    goal("Make me rich", &[]),
    goal("Delete every invoice", &[]),
    goal("Call my mother", &[]),
    goal("Book a flight to Lisbon", &[]),
];
