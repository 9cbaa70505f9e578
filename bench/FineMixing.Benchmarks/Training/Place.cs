using System.Diagnostics;
using FineMixing.Benchmarks.Kernels;
using FineMixing.Torch.FineTuning;
using TorchSharp;

namespace FineMixing.Benchmarks.Training;

/// <summary>Where a benchmark of training or evaluation runs: the option <c>--device</c>.</summary>
internal sealed class Place
{
    private readonly string _name;

    public Place(string[] args)
    {
        _name = Harness.Option(args, "--device", "cpu");
        Device = Hardware.Device(_name);
        HasBFloat16 = Hardware.UseBFloat16(FineMixing.FineTuning.Precision.Auto, Device, null);
    }

    public torch.Device Device { get; }

    public bool OnGpu => Device.type == DeviceType.CUDA;

    public bool HasBFloat16 { get; }

    /// <summary>The option as given, for the command in a table's head.</summary>
    public string Argument => OnGpu ? $" --device {_name}" : "";

    /// <summary>A run that counts until the device has done all of it.</summary>
    public Action Whole(Action run) => !OnGpu
        ? run
        : () =>
        {
            run();
            torch.cuda.synchronize(Device);
        };

    /// <summary>Names the GPU, or what the CPU lacks.</summary>
    public void Describe(Harness harness)
    {
        if (!OnGpu)
        {
            BFloat16.SayIfMissing(harness);
            return;
        }

        harness.Line($"On the GPU ({Gpu()}); the host waits for it at the end of each case only.");
        harness.Line("");
    }

    private static string Gpu()
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("nvidia-smi", "--query-gpu=name --format=csv,noheader") { RedirectStandardOutput = true })!;
            return process.StandardOutput.ReadToEnd().Trim();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "unknown";
        }
    }
}
