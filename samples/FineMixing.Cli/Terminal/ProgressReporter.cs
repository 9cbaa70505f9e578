using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace FineMixing.Cli.Terminal;

/// <summary>How far a piece of work is.</summary>
/// <param name="Stage">What is being done; a new text begins a new line or bar.</param>
/// <param name="Done">Units done so far.</param>
/// <param name="Total">Units in all; 0 when unknown.</param>
/// <param name="Unit">What is counted, for the rate: "samples", "MB".</param>
internal readonly record struct WorkProgress(string Stage, double Done, double Total, string Unit);

/// <summary>Shows progress on standard error: bars with rate and time left on a terminal, a plain line for each stage and each quarter of it otherwise.</summary>
internal static class ProgressReporter
{
    public static T Run<T>(Func<IProgress<WorkProgress>, T> work)
    {
        // Two methods: the library that draws the bars is loaded only where they are drawn.
        return Console.IsErrorRedirected ? work(new PlainLines()) : RunWithBars(work);
    }

    private static T RunWithBars<T>(Func<IProgress<WorkProgress>, T> work)
    {
        var units = new ConcurrentDictionary<int, string>();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress()
            .AutoClear(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 30 }, new PercentageColumn(), new RateColumn(units), new RemainingTimeColumn())
            .Start(context => work(new Bars(context, units)));
    }

    private sealed class PlainLines : IProgress<WorkProgress>
    {
        private readonly Lock _lock = new();
        private readonly Stopwatch _clock = new();
        private string? _stage;
        private int _quarter;
        private double _first;

        public void Report(WorkProgress value)
        {
            lock (_lock)
            {
                if (value.Stage != _stage)
                {
                    (_stage, _quarter, _first) = (value.Stage, 0, value.Done);
                    _clock.Restart();
                    Console.Error.WriteLine(Screen.OneLine(value.Stage));
                }

                var quarter = value.Total > 0 ? (int)(value.Done / value.Total * 4) : 0;
                if (quarter <= _quarter)
                    return;
                _quarter = quarter;
                // The clock began with the first report, so what was done by then does not count for the rate.
                var rate = (value.Done - _first) / Math.Max(_clock.Elapsed.TotalSeconds, 1e-3);
                var pace = rate > 0 ? string.Create(CultureInfo.InvariantCulture, $", {rate:0.#} {value.Unit}/s") : "";
                var left = rate > 0 && quarter < 4 ? string.Create(CultureInfo.InvariantCulture, $", {(value.Total - value.Done) / rate:0} s left") : "";
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Screen.OneLine(value.Stage)}: {value.Done:0.#} of {value.Total:0.#} {value.Unit}{pace}{left}"));
            }
        }
    }

    private sealed class Bars(ProgressContext context, ConcurrentDictionary<int, string> units) : IProgress<WorkProgress>
    {
        private readonly Lock _lock = new();
        private ProgressTask? _task;
        private string? _stage;

        public void Report(WorkProgress value)
        {
            lock (_lock)
            {
                if (_task is null || value.Stage != _stage)
                {
                    _task?.Value(_task.MaxValue);
                    _stage = value.Stage;
                    _task = context.AddTask(Markup.Escape(Screen.OneLine(value.Stage)), maxValue: value.Total > 0 ? value.Total : 1);
                    units[_task.Id] = value.Unit;
                    _task.IsIndeterminate = value.Total <= 0;
                }

                if (value.Total > 0)
                    _task.Value(value.Done);
            }
        }
    }

    private sealed class RateColumn(ConcurrentDictionary<int, string> units) : ProgressColumn
    {
        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(task.Speed is { } speed ? string.Create(CultureInfo.InvariantCulture, $"{speed:0.#} {units.GetValueOrDefault(task.Id)}/s") : "");
    }
}
