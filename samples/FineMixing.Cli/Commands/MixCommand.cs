using System.CommandLine;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;
using FineMixing.Mixing;
using FineMixing.Models;
using FineMixing.Provenance;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix mix</c>: mixes weights from files to files, without fine-tuning.</summary>
internal static class MixCommand
{
    private const string RandomMaskMethod = "fine-mixing";

    public static Command Create()
    {
        var defaults = new MixingOptions();
        var suspect = CommonOptions.Folder("--suspect", "The fine-tuned model.");
        var adapter = CommonOptions.Adapter();
        var @base = CommonOptions.Folder("--base", "The pre-trained model it comes from.");
        var output = CommonOptions.Folder("--output", "The new model folder.");
        var method = CommonOptions.OneOf("--method", "The method ('finemix methods' shows what each takes and where it comes from)", "fine-mixing", [.. WeightMixers.All.Select(m => m.Name)]);
        var parameters = new Option<string[]>("--parameter") { Description = "A parameter of the method: weights, densities, gammas, interpolation, scale, selectTopK, normalize or rowWise.", HelpName = "NAME=VALUE" };
        var ratio = Numbers.Real("--reserve-ratio", "Share of the weights kept from the suspect.", defaults.ReserveRatio, 0, 1);
        var schedule = CommonOptions.Schedule();
        var exact = new Option<bool>("--exact-count") { Description = "Keep exactly that share of each tensor, not just on average." };
        var granularity = CommonOptions.OneOf("--granularity", "What is kept or replaced as one", "element", "element", "row", "module");
        var norms = CommonOptions.OneOf("--layer-norms", "What happens to normalisation layers", "mix", "mix", "suspect", "base");
        var biases = CommonOptions.OneOf("--biases", "What happens to biases outside normalisation layers and heads", "mix", "mix", "suspect", "base");
        var embeddings = CommonOptions.OneOf("--embeddings", "What happens to embeddings", "mix", "mix", "suspect", "base");
        var head = CommonOptions.OneOf("--head", "What happens to a head only the suspect has", "keep", "keep", "reinitialise");
        var models = new Option<string[]>("--model") { Description = "A further model, for methods that merge several; may be repeated.", HelpName = "DIR" };
        var seed = CommonOptions.Seed("the mask");
        var replay = new Option<string?>("--replay") { Description = "Repeat what this finemixing.json says, and check that the same bytes come out.", HelpName = "MANIFEST" };
        var shard = Numbers.Whole("--max-shard-mb", "The most megabytes of weights in one file.", 5000, 1, 1_000_000);
        var threads = Numbers.Whole("--threads", "CPU threads; 0 for all.", defaults.Threads, 0, 1024);
        var noManifest = new Option<bool>("--no-manifest") { Description = "Write no finemixing.json; hashing takes longer than mixing." };
        var noFlush = new Option<bool>("--no-flush") { Description = "Do not wait until the output is on the disk." };
        var force = CommonOptions.Force();
        var json = CommonOptions.Json();
        var command = new ExampleCommand("mix", "Mixes the weights of two models, or merges several, without fine-tuning.",
            "finemix mix --suspect ./suspect --base ./bert-base-uncased --output ./mixed --reserve-ratio 0.3",
            "finemix mix --suspect ./a --base ./base --model ./b --output ./merged --method ties --parameter densities=0.5",
            "finemix mix --suspect ./bert-base-uncased --adapter ./downloaded-lora --base ./bert-base-uncased --output ./mixed",
            "finemix mix --replay ./mixed/finemixing.json --suspect ./suspect --base ./bert-base-uncased --output ./again")
        {
            suspect, adapter, @base, output, method, parameters, ratio, schedule, exact, granularity, norms, biases, embeddings, head, models, seed, replay, shard, threads, noManifest, noFlush, force, json,
        };
        command.Validators.Add(result =>
        {
            // Tokens, not values: a value that cannot be read is an error of its own, and asking for it would throw.
            foreach (var parameter in result.GetResult(parameters)?.Tokens.Select(t => t.Value) ?? [])
            {
                if (parameter.IndexOf('=', StringComparison.Ordinal) <= 0)
                    result.AddError($"--parameter is '{parameter}', expected NAME=VALUE.");
            }

            var chosen = result.GetResult(method) is { Implicit: false, Tokens: [var token, ..] } ? token.Value : RandomMaskMethod;
            var name = chosen.Replace('_', '-');
            foreach (var option in (Option[])[exact, granularity])
            {
                if (name != RandomMaskMethod && result.GetResult(option) is { Implicit: false })
                    result.AddError($"{option.Name} cannot be given with --method {chosen}: only {RandomMaskMethod} draws a random mask.");
            }

            var without = WeightMixers.All.FirstOrDefault(m => m.Name == name && !m.UsesReserveRatio);
            foreach (var option in (Option[])[ratio, schedule])
            {
                if (without is not null && result.GetResult(option) is { Implicit: false })
                    result.AddError($"{option.Name} cannot be given with --method {chosen}: its result does not depend on a reserve ratio.");
            }

            if (result.GetResult(replay) is not { Implicit: false })
                return;
            foreach (var option in (Option[])[method, parameters, ratio, schedule, exact, granularity, norms, biases, embeddings, head, seed, shard, noManifest])
            {
                if (result.GetResult(option) is { Implicit: false })
                    result.AddError($"{option.Name} cannot be given with --replay: the manifest says it.");
            }
        });
        command.SetAction((parsed, token) =>
        {
            var files = new FileMixingOptions
            {
                MaxShardBytes = parsed.GetValue(shard) * 1_000_000L,
                WriteManifest = !parsed.GetValue(noManifest),
                FlushToDisk = !parsed.GetValue(noFlush),
            };
            var options = new MixingOptions
            {
                ReserveRatio = parsed.GetValue(ratio),
                Seed = parsed.GetValue(seed),
                Schedule = RatioSchedule.Parse(parsed.GetValue(schedule)!),
                ExactCount = parsed.GetValue(exact),
                Granularity = Enum.Parse<MixGranularity>(parsed.GetValue(granularity)!, ignoreCase: true),
                LayerNorms = Enum.Parse<TensorPolicy>(parsed.GetValue(norms)!, ignoreCase: true),
                Biases = Enum.Parse<TensorPolicy>(parsed.GetValue(biases)!, ignoreCase: true),
                Embeddings = Enum.Parse<TensorPolicy>(parsed.GetValue(embeddings)!, ignoreCase: true),
                Head = Enum.Parse<HeadPolicy>(parsed.GetValue(head)!, ignoreCase: true),
                Threads = parsed.GetValue(threads),
            };
            var request = new Request(parsed.GetRequiredValue(suspect), parsed.GetValue(adapter), parsed.GetRequiredValue(@base), parsed.GetValue(models) ?? [], parsed.GetRequiredValue(output), parsed.GetValue(force), parsed.GetValue(json));
            return parsed.GetValue(replay) is { } manifest
                ? Task.Run(() => Replay(request, manifest, files, token), token)
                : Task.Run(() => Mix(request, WeightMixers.Get(parsed.GetValue(method)!, Parameters(parsed.GetValue(parameters) ?? [])), options, files, token), token);
        });
        return command;
    }

    private static int Mix(Request request, IWeightMixer mixer, MixingOptions options, FileMixingOptions files, CancellationToken token) => Run(request, files, (models, files) =>
    {
        BaseModel.Check(request.Suspect, models[0], request.Base, models[1], request.Force, token);
        Show(request, ProgressReporter.Run(progress => FileMixing.Mix(mixer, models[0], models[1], request.Output, options, files, models[2..], Megabytes(progress), token)));
    });

    private static int Replay(Request request, string manifest, FileMixingOptions files, CancellationToken token) => Run(request, files, (models, files) =>
    {
        var result = ProgressReporter.Run(progress => FileMixing.Replay(manifest, models[0], models[1], request.Output, files, models[2..], Megabytes(progress), token));
        Show(request, result);
        Screen.Line("The weights are the same bytes as the manifest says.");

        // Configuration and tokenizer are copied from the suspect's folder, which may hold others now than then.
        var others = ProvenanceManifest.Read(manifest).OutputsThatDiffer(result.Manifest!);
        if (others.Count > 0)
            Screen.Line($"Files that are not weights differ from those of the manifest: {string.Join(", ", others.Select(name => $"'{name}'"))}.");
    });

    /// <summary>Opens suspect, base and further models, in this order, for the work.</summary>
    private static int Run(Request request, FileMixingOptions files, Action<List<ICheckpoint>, FileMixingOptions> work)
    {
        ModelFolder.RefuseExisting(request.Output);
        var opened = new List<ICheckpoint>();
        try
        {
            opened.Add(Suspect.Open(request.Suspect, request.Adapter));
            foreach (var path in (string[])[request.Base, .. request.Models])
                opened.Add(Checkpoint.Open(path, NoteLogger.Instance));
            work(opened, Directory.Exists(request.Suspect) ? files with { CopyOtherFilesFrom = request.Suspect } : files);
            return 0;
        }
        finally
        {
            opened.ForEach(c => c.Dispose());
        }
    }

    private static void Show(Request request, FileMixingResult result)
    {
        foreach (var action in (TensorAction[])[TensorAction.Mixed, TensorAction.Suspect, TensorAction.Base, TensorAction.Reinitialised])
        {
            var (tensors, values) = (0, 0L);
            foreach (var tensor in result.Tensors)
            {
                if (tensor.Action == action)
                    (tensors, values) = (tensors + 1, values + tensor.Elements);
            }

            if (tensors > 0)
                Screen.Line(string.Create(CultureInfo.InvariantCulture, $"{action.ToString().ToLowerInvariant()}: {tensors} tensors, {values:N0} values"));
        }

        Screen.Line($"written to {request.Output}: {string.Join(", ", result.Files.Select(f => Path.GetFileName(f)))}");
        JsonFile.Write(request.Json, new { files = result.Files.Select(f => Path.GetFileName(f)), tensors = result.Tensors });
    }

    private static Relay<MixingProgress> Megabytes(IProgress<WorkProgress> progress) =>
        new(p => progress.Report(new WorkProgress("mixing", p.BytesDone / 1e6, p.BytesTotal / 1e6, "MB")));

    private static MixerParameters Parameters(string[] given)
    {
        if (given.Length == 0)
            return new MixerParameters();
        var known = new MixerParameters { Weights = [], Densities = [], Gammas = [], Normalize = true, Interpolation = 0, Scale = 0, SelectTopK = 0, RowWise = true }.ToText();
        var text = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var parameter in given)
        {
            var parts = parameter.Split('=', 2);
            if (!known.ContainsKey(parts[0]))
                throw new CommandFailedException($"There is no parameter '{parts[0]}'; expected one of {string.Join(", ", known.Keys)}.");
            text[parts[0]] = parts[1];
        }

        return MixerParameters.FromText(text);
    }

    private sealed record Request(string Suspect, string? Adapter, string Base, string[] Models, string Output, bool Force, string? Json);
}
