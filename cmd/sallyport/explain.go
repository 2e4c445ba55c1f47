package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sallyport.dev/policy"
)

func newExplain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [ID]...",
		Short: "List the rules, or explain some of them",
		Long: `explain lists the rules. With ids, or names, it prints what each of these
rules demands and why, with objects that break it, the answer they get, and
objects that keep it.`,
		Example: `  sallyport explain
  sallyport explain SP101
  sallyport explain own-credential`,
		ValidArgsFunction: completeRules,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listRules(cmd.OutOrStdout())
			}
			for i, arg := range args {
				if i > 0 {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				if err := explainRule(cmd.OutOrStdout(), arg); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func completeRules(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	for _, rule := range policy.Rules() {
		ids = append(ids, rule.ID+"\t"+rule.Title)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func listRules(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tSEVERITY\tLAW")
	for _, rule := range policy.Rules() {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", rule.ID, rule.Name, rule.Severity, rule.Title)
	}
	return table.Flush()
}

func explainRule(out io.Writer, arg string) error {
	for _, rule := range policy.Rules() {
		if strings.EqualFold(rule.ID, arg) || strings.EqualFold(rule.Name, arg) {
			return printPage(out, rule)
		}
	}
	return fmt.Errorf("there is no rule %q; `sallyport explain` lists them", arg)
}

func printPage(out io.Writer, rule *policy.Rule) error {
	page, err := policy.PageOf(rule.ID)
	if err != nil {
		return err
	}
	kinds := make([]string, 0, 3)
	for _, kind := range rule.Check.Kinds() {
		kinds = append(kinds, string(kind))
	}
	for _, kind := range rule.Delete.Kinds() {
		kinds = append(kinds, string(kind)+" (its deletion)")
	}
	fmt.Fprintf(out, "%s %s (%s)\n%s\n\nJudges: %s\n\n%s\n", rule.ID, rule.Name, rule.Severity, rule.Title, strings.Join(kinds, ", "), page.Prose)
	for _, part := range []struct{ file, title string }{
		{"config.yaml", "With this configuration"},
		{"world.yaml", "In a cluster with"},
		{"bad.yaml", "These objects break the rule"},
		{"bad-delete.yaml", "These objects are not let go"},
		{"want", "and get these answers"},
		{"fixed.yaml", "What sallyport completes by itself"},
		{"good.yaml", "These objects keep the rule"},
		{"good-delete.yaml", "These objects may go"},
	} {
		if text, ok := page.Source[part.file]; ok {
			fmt.Fprintf(out, "\n%s:\n\n%s", part.title, indented(text))
		}
	}
	return nil
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	return b.String()
}
