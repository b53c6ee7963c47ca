using System.Globalization;
using Spectre.Console;

namespace TeRA.Kernels.Cli.Output;

/// <summary>What people read, always on stderr: tables and bars on a terminal, plain lines elsewhere. stdout carries JSON alone.</summary>
internal sealed class Terminal
{
    private readonly IAnsiConsole console;
    private readonly TextWriter writer;
    private readonly bool interactive;

    public Terminal(TextWriter writer, bool interactive)
    {
        this.writer = writer;
        this.interactive = interactive;
        console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = interactive ? AnsiSupport.Detect : AnsiSupport.No,
            Interactive = interactive ? InteractionSupport.Detect : InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
        });
    }

    /// <summary>The process's stderr.</summary>
    public static Terminal StandardError() => new(Console.Error, !Console.IsErrorRedirected);

    public void Line(string text = "") => writer.WriteLine(text);

    public void Error(string text)
    {
        if (interactive)
        {
            console.MarkupLineInterpolated($"[red]error:[/] {text}");
        }
        else
        {
            writer.WriteLine("error: " + text);
        }
    }

    /// <summary>A table; the first column is text, the others align right.</summary>
    public void Table(string title, IReadOnlyList<string> headers, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        if (interactive)
        {
            FancyTable(title, headers, rows);
        }
        else
        {
            PlainTable(title, headers, rows);
        }
    }

    /// <summary>Runs <paramref name="work"/> under a progress bar; <see cref="IProgressReport"/> moves it.</summary>
    public T Progress<T>(Func<IProgressReport, T> work)
    {
        if (!interactive)
        {
            return work(new PlainProgress(writer));
        }

        T result = default!;
        console.Progress()
            .AutoClear(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context => result = work(new BarProgress(context)));
        return result;
    }

    private void FancyTable(string title, IReadOnlyList<string> headers, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        var table = new Table { Border = TableBorder.Rounded, Title = new TableTitle(Markup.Escape(title)) };
        for (int c = 0; c < headers.Count; c++)
        {
            table.AddColumn(new TableColumn(Markup.Escape(headers[c])) { Alignment = c == 0 ? Justify.Left : Justify.Right });
        }

        foreach (IReadOnlyList<string> row in rows)
        {
            table.AddRow([.. row.Select(Markup.Escape)]);
        }

        console.Write(table);
    }

    private void PlainTable(string title, IReadOnlyList<string> headers, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        writer.WriteLine(title);
        int[] widths = [.. headers.Select((header, c) => rows.Select(row => row[c].Length).Append(header.Length).Max())];
        foreach (IReadOnlyList<string> row in rows.Prepend(headers))
        {
            writer.WriteLine("  " + string.Join("  ", row.Select((cell, c) => c == 0 ? cell.PadRight(widths[c]) : cell.PadLeft(widths[c]))).TrimEnd());
        }
    }

    private sealed class BarProgress(ProgressContext context) : IProgressReport
    {
        private ProgressTask? task;
        private string name = "";

        public void Begin(string phase, double total)
        {
            task?.StopTask();
            name = phase;
            task = context.AddTask(Markup.Escape(phase), maxValue: Math.Max(total, 1e-9));
        }

        public void Advance(double done, string note)
        {
            if (task is not null)
            {
                task.Value = done;
                task.Description = Markup.Escape($"{name}  {note}");
            }
        }

        public void End()
        {
            if (task is not null)
            {
                task.Value = task.MaxValue;
                task.StopTask();
            }
        }
    }

    /// <summary>A line at the start, at each tenth, and at the end: enough for a log, not a flood.</summary>
    private sealed class PlainProgress(TextWriter writer) : IProgressReport
    {
        private string name = "";
        private string last = "";
        private double total;
        private int tenth;

        public void Begin(string phase, double total)
        {
            name = phase;
            this.total = total;
            tenth = 0;
            last = "";
        }

        public void Advance(double done, string note)
        {
            last = note;
            int now = total > 0 ? (int)(10 * done / total) : 10;
            if (now > tenth && now < 10)
            {
                tenth = now;
                writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} {10 * now}% {note}"));
            }
        }

        public void End() => writer.WriteLine($"{name} done {last}".TrimEnd());
    }
}
