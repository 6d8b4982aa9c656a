package answer

import (
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// allowedFunctions are what a template may call. What prints with a width, reads by index or calls values is not among
// them: a template may come with any request, so it must not take time or memory beyond its size.
const allowedFunctions = " and or not len eq ne lt le gt ge join "

// checker walks a template. It knows what the dot is: the variables, or inside of with and range a value of one of them.
type checker struct {
	known   []string
	used    []string
	inRange bool
}

// check refuses what a template may not do and gives the variables that it uses.
func check(t *template.Template, known []string) ([]string, error) {
	if len(t.Templates()) > 1 {
		return nil, fmt.Errorf("it defines another template; that is not allowed")
	}
	if t.Tree == nil || t.Root == nil {
		return nil, nil
	}
	c := &checker{known: known}
	err := c.list(t.Root, true)
	return c.used, err
}

func (c *checker) list(list *parse.ListNode, root bool) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		if err := c.node(node, root); err != nil {
			return err
		}
	}
	return nil
}

// node checks a node; root says that the dot is the variables.
func (c *checker) node(node parse.Node, root bool) error {
	switch n := node.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return c.pipe(n.Pipe, n.Line, root)
	case *parse.IfNode:
		return c.branch(&n.BranchNode, root, root)
	case *parse.WithNode:
		return c.branch(&n.BranchNode, root, false)
	case *parse.RangeNode:
		if c.inRange {
			return fmt.Errorf("line %d: a range inside of a range is not allowed", n.Line)
		}
		if n.Pipe.String() != ".Headings" && n.Pipe.String() != "$.Headings" {
			return fmt.Errorf("line %d: only .Headings can be ranged over, not %s", n.Line, n.Pipe)
		}
		c.inRange = true
		defer func() { c.inRange = false }()
		return c.branch(&n.BranchNode, root, false)
	}
	return fmt.Errorf("%s is not allowed in a template", node)
}

func (c *checker) branch(b *parse.BranchNode, root, inside bool) error {
	if err := c.pipe(b.Pipe, b.Line, root); err != nil {
		return err
	}
	if err := c.list(b.List, inside); err != nil {
		return err
	}
	return c.list(b.ElseList, root)
}

func (c *checker) pipe(p *parse.PipeNode, line int, root bool) error {
	if len(p.Decl) > 0 {
		return fmt.Errorf("line %d: %s: variables of a template's own are not allowed", line, p)
	}
	for _, command := range p.Cmds {
		for _, arg := range command.Args {
			if err := c.argument(arg, line, root); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) argument(arg parse.Node, line int, root bool) error {
	switch n := arg.(type) {
	case *parse.DotNode:
		if root {
			return fmt.Errorf("line %d: the dot alone shows nothing; name one of %s", line, c.names())
		}
		return nil
	case *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return nil
	case *parse.PipeNode:
		return c.pipe(n, line, root)
	case *parse.FieldNode:
		if !root {
			return fmt.Errorf("line %d: inside of with and range, write $%s for %s", line, n, n)
		}
		return c.variable(n.Ident, line)
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			return c.variable(n.Ident[1:], line)
		}
		return fmt.Errorf("line %d: unknown variable %s", line, n)
	case *parse.IdentifierNode:
		if !strings.Contains(allowedFunctions, " "+n.Ident+" ") {
			return fmt.Errorf("line %d: the function %s is not allowed; there are%s", line, n.Ident, allowedFunctions)
		}
		return nil
	}
	return fmt.Errorf("line %d: %s is not allowed", line, arg)
}

func (c *checker) variable(path []string, line int) error {
	if len(path) != 1 || !slices.Contains(c.known, path[0]) {
		return fmt.Errorf("line %d: unknown variable .%s; this template knows %s", line, strings.Join(path, "."), c.names())
	}
	c.used = append(c.used, path[0])
	return nil
}

func (c *checker) names() string { return "." + strings.Join(c.known, ", .") }
